"""Platforms: how each of them signs its webhooks, and what these tell. One file for each."""

from enum import StrEnum

from goalline.domain.platforms.bland import BLAND
from goalline.domain.platforms.custom import CUSTOM
from goalline.domain.platforms.elevenlabs import ELEVENLABS
from goalline.domain.platforms.platform import Platform
from goalline.domain.platforms.retell import RETELL
from goalline.domain.platforms.standard_webhooks import STANDARD_WEBHOOKS
from goalline.domain.platforms.telnyx import TELNYX
from goalline.domain.platforms.vapi import VAPI


class PlatformName(StrEnum):
    """The platforms that there are adapters to."""

    BLAND = "bland"
    CUSTOM = "custom"
    ELEVENLABS = "elevenlabs"
    RETELL = "retell"
    STANDARD_WEBHOOKS = "standard_webhooks"
    TELNYX = "telnyx"
    VAPI = "vapi"


_ADAPTERS = (BLAND, CUSTOM, ELEVENLABS, RETELL, STANDARD_WEBHOOKS, TELNYX, VAPI)

BY_NAME: dict[PlatformName, Platform] = {PlatformName(platform.name): platform for platform in _ADAPTERS}
