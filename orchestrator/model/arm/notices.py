"""``virtualMachineProfile.scheduledEventsProfile`` (reference 1.3, 4.10): notices to guests, which need a metadata
service. Until there is one only the wish for none is taken."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from orchestrator.model.arm.base import ArmModel, Duration, Flag, Only, Within

_NO_NOTICE = "a guest is told through the metadata service, which does not exist yet"
_None = Annotated[Flag, Only((False,), _NO_NOTICE)]
_Quarter = timedelta(minutes=15)


class TerminateNotificationProfile(ArmModel):
    enable: _None = False
    not_before_timeout: Annotated[Duration, Within(timedelta(minutes=5), _Quarter)] | None = None


class OsImageNotificationProfile(ArmModel):
    enable: _None = False
    not_before_timeout: Annotated[Duration, Within(_Quarter, _Quarter)] | None = None


class ScheduledEventsProfile(ArmModel):
    terminate_notification_profile: TerminateNotificationProfile | None = None
    os_image_notification_profile: OsImageNotificationProfile | None = None
