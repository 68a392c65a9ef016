"""Secrets in files: read where a variable names the file, refused in plain words, never repeated."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from goalline.settings import FILES, Settings, misspelt
from tests.running import environment, run

SECRET = "xyzzyplugh"
VALUES = {
    "GOALLINE_DATABASE_URL_FILE": f"postgresql://goalline:{SECRET}@db.test/goalline",
    "GOALLINE_REDIS_URL_FILE": f"redis://:{SECRET}@redis.test/0",
    "GOALLINE_ENCRYPTION_KEYS_FILE": f"{SECRET:A<43}=",
    "OPENAI_API_KEY_FILE": f"sk-{SECRET}",
}
every_file = pytest.mark.parametrize("variable", FILES)


def plain(value: Any) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


def fault(variable: str) -> str:
    """Return what is wrong with the settings, which must be this variable alone."""
    with pytest.raises(ValidationError) as refused:
        Settings()
    (error,) = refused.value.errors(include_input=False)
    assert error["loc"] == (variable,)
    assert SECRET not in f"{refused.value} {refused.value!r}"
    return error["msg"]


@every_file
def test_a_secret_is_read_from_the_file_without_what_surrounds_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str
) -> None:
    (tmp_path / "secret").write_text(f" {VALUES[variable]}\r\n\n")
    monkeypatch.setenv(variable, str(tmp_path / "secret"))
    settings = Settings()
    assert plain(getattr(settings, FILES[variable])) == VALUES[variable]
    assert SECRET not in f"{settings} {settings!r}"


@every_file
def test_a_variable_that_is_set_to_nothing_names_no_file(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "")
    assert Settings() == Settings.model_construct()


@every_file
def test_a_secret_in_two_places_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str) -> None:
    (tmp_path / "secret").write_text(VALUES[variable])
    monkeypatch.setenv(variable, str(tmp_path / "secret"))
    monkeypatch.setenv(variable.removesuffix("_FILE"), VALUES[variable])
    assert fault(variable) == f"is set, and {variable.removesuffix('_FILE')} as well"


@every_file
def test_a_file_of_nothing_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str) -> None:
    (tmp_path / "secret").write_text(" \n")
    monkeypatch.setenv(variable, str(tmp_path / "secret"))
    assert fault(variable) == "names a file that is empty"


def test_a_path_that_is_the_secret_itself_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY_FILE", f"sk-{SECRET}")
    assert fault("OPENAI_API_KEY_FILE") == "names a file that cannot be read: no such file or directory"


def test_a_folder_is_no_secret(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OPENAI_API_KEY_FILE", str(tmp_path))
    assert fault("OPENAI_API_KEY_FILE") == "names a file that cannot be read: is a directory"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (SECRET.encode() + b"\xff", "names a file that is not UTF-8 text"),
        (SECRET.encode() * 10_000, "names a file that is too large to be a secret"),
    ],
    ids=["bytes", "huge"],
)
def test_what_is_no_secret_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes, complaint: str
) -> None:
    (tmp_path / "secret").write_bytes(content)
    monkeypatch.setenv("OPENAI_API_KEY_FILE", str(tmp_path / "secret"))
    assert fault("OPENAI_API_KEY_FILE") == complaint


def test_a_wrong_value_in_a_file_is_refused_without_being_repeated(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text(f"mysql://goalline:{SECRET}@db.test/goalline")
    monkeypatch.setenv("GOALLINE_DATABASE_URL_FILE", str(tmp_path / "secret"))
    with pytest.raises(ValidationError) as refused:
        Settings()
    assert "must look like sqlite:///FILE" in str(refused.value)
    assert SECRET not in str(refused.value)


def test_several_faults_are_all_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for variable in FILES:
        monkeypatch.setenv(variable, str(tmp_path / "missing"))
    with pytest.raises(ValidationError) as refused:
        Settings()
    assert [error["loc"] for error in refused.value.errors()] == [(variable,) for variable in FILES]


def test_a_command_says_in_plain_words_which_file_it_cannot_read(tmp_path: Path) -> None:
    result = run(environment(OPENAI_API_KEY_FILE=f"sk-{SECRET}"), tmp_path, "serve", "--port", "0")
    assert result.returncode == 1
    assert result.stderr == (
        "goalline: the settings are not valid\n"
        "  OPENAI_API_KEY_FILE: names a file that cannot be read: no such file or directory\n"
    )
    assert result.stdout == ""


def test_variables_that_name_files_are_no_misspellings() -> None:
    assert misspelt(FILES) == {}
    assert misspelt(["GOALLINE_REDIS_URL_FIEL"]) == {"GOALLINE_REDIS_URL_FIEL": "GOALLINE_REDIS_URL_FILE"}
