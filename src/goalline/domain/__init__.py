"""The pure core: values and rules that use the standard library and pydantic, no clock and no I/O."""
