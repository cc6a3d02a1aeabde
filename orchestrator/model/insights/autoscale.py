"""Microsoft.Insights/autoscaleSettings (reference 5.1): profiles, their rules, and whom to tell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, field_validator, model_validator
from tzlocal.windows_tz import win_tz

from orchestrator.errors import BadInput, ErrorDetail
from orchestrator.model.arm.base import ArmEnum, ArmModel, Duration, Flag, Whole, Within, bad_value
from orchestrator.model.arm.envelope import Tags
from orchestrator.model.arm.warnings import Notice
from orchestrator.model.network.common import ExtendedResource
from orchestrator.model.network.shape import Json, Shape
from orchestrator.model.resource_id import ResourceId, parse_resource_id

AUTOSCALE = "Microsoft.Insights/autoscaleSettings"
_COUNT_MAX = 1000
_MINUTE, _HALF_DAY = timedelta(minutes=1), timedelta(hours=12)
_LONGEST = timedelta(days=365)
_TAGS_MAX = 15
_ZONES: Mapping[str, str] = {name.lower(): name for name in win_tz}


def _as_text(value: Any) -> Any:
    """Counts are strings by contract; a number is taken for one."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _check_count(value: str) -> str:
    if not (value.isascii() and value.isdigit()) or int(value) > _COUNT_MAX:
        raise bad_value(f"must be a whole number from 0 to {_COUNT_MAX}, as a string")
    return str(int(value))


def _check_amount(value: str) -> str:
    if not (value.isascii() and value.isdigit()) or not 1 <= int(value) <= _COUNT_MAX:
        raise bad_value(f"must be a whole number from 1 to {_COUNT_MAX}, as a string")
    return str(int(value))


def _check_zone(value: str) -> str:
    name = _ZONES.get(value.lower())
    if name is None:
        words = "is no time zone as Windows names them, such as UTC or W. Europe Standard Time"
        raise bad_value(f"'{value[:60]}' {words}")
    return name


def _to_number(value: Any) -> Any:
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            raise bad_value("must be a number") from None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise bad_value("must be a number")
    return value


def _check_moment(value: str) -> str:
    try:
        datetime.fromisoformat(value)
    except ValueError:
        raise bad_value(f"'{value[:60]}' is not a time such as 2026-01-31T08:00:00Z") from None
    return value


def _check_id(value: str) -> str:
    try:
        parse_resource_id(value)
    except BadInput as error:
        raise bad_value(error.message.rstrip(".")) from None
    return value


_Count = Annotated[str, BeforeValidator(_as_text), AfterValidator(_check_count)]
_Amount = Annotated[str, BeforeValidator(_as_text), AfterValidator(_check_amount)]
_TimeZone = Annotated[str, AfterValidator(_check_zone)]
_Number = Annotated[float, BeforeValidator(_to_number), Field(allow_inf_nan=False)]
_Moment = Annotated[str, AfterValidator(_check_moment)]
_Id = Annotated[str, AfterValidator(_check_id)]
_Word = Annotated[str, StringConstraints(min_length=1, max_length=256)]
_Grain = Annotated[Duration, Within(_MINUTE, _HALF_DAY)]


class Capacity(ArmModel):
    minimum: _Count
    maximum: _Count
    default: _Count

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not int(self.minimum) <= int(self.default) <= int(self.maximum):
            raise bad_value("must have minimum not above default, and default not above maximum")
        return self


class FixedDate(ArmModel):
    time_zone: _TimeZone = "UTC"
    start: _Moment
    end: _Moment

    @model_validator(mode="after")
    def _a_span(self) -> Self:
        start, end = (datetime.fromisoformat(each).replace(tzinfo=None) for each in (self.start, self.end))
        if not timedelta(0) < end - start <= _LONGEST:
            raise bad_value("must end after its start, within 365 days")
        return self


class Frequency(ArmEnum):
    WEEK = "Week"


class Day(ArmEnum):
    MONDAY = "Monday"
    TUESDAY = "Tuesday"
    WEDNESDAY = "Wednesday"
    THURSDAY = "Thursday"
    FRIDAY = "Friday"
    SATURDAY = "Saturday"
    SUNDAY = "Sunday"


class Schedule(ArmModel):
    time_zone: _TimeZone
    days: Annotated[tuple[Day, ...], Field(min_length=1, max_length=7)]
    hours: Annotated[tuple[Annotated[Whole, Field(ge=0, le=23)], ...], Field(min_length=1, max_length=24)]
    minutes: Annotated[tuple[Annotated[Whole, Field(ge=0, le=59)], ...], Field(min_length=1, max_length=60)]


class Recurrence(ArmModel):
    frequency: Frequency
    schedule: Schedule


class Statistic(ArmEnum):
    AVERAGE = "Average"
    MIN = "Min"
    MAX = "Max"
    SUM = "Sum"
    COUNT = "Count"


class TimeAggregation(ArmEnum):
    AVERAGE = "Average"
    MINIMUM = "Minimum"
    MAXIMUM = "Maximum"
    TOTAL = "Total"
    COUNT = "Count"
    LAST = "Last"


class Comparison(ArmEnum):
    EQUALS = "Equals"
    NOT_EQUALS = "NotEquals"
    GREATER_THAN = "GreaterThan"
    GREATER_THAN_OR_EQUAL = "GreaterThanOrEqual"
    LESS_THAN = "LessThan"
    LESS_THAN_OR_EQUAL = "LessThanOrEqual"


class DimensionOperator(ArmEnum):
    EQUALS = "Equals"
    NOT_EQUALS = "NotEquals"


class Dimension(ArmModel):
    name: _Word = Field(alias="DimensionName")
    operator: DimensionOperator = Field(alias="Operator")
    values: Annotated[tuple[str, ...], Field(min_length=1)] = Field(alias="Values")


class MetricTrigger(ArmModel):
    metric_name: _Word
    metric_namespace: Annotated[str, StringConstraints(max_length=256)] | None = None
    metric_resource_uri: _Id
    metric_resource_location: str | None = None
    time_grain: _Grain
    statistic: Statistic
    time_window: _Grain
    time_aggregation: TimeAggregation
    operator: Comparison
    threshold: _Number
    dimensions: tuple[Dimension, ...] = ()
    divide_per_instance: Flag = False

    @model_validator(mode="after")
    def _window_holds_a_grain(self) -> Self:
        if self.time_window < self.time_grain:
            raise bad_value("must have timeWindow not below timeGrain")
        return self


class Direction(ArmEnum):
    NONE = "None"
    INCREASE = "Increase"
    DECREASE = "Decrease"


class ActionType(ArmEnum):
    CHANGE_COUNT = "ChangeCount"
    PERCENT_CHANGE_COUNT = "PercentChangeCount"
    EXACT_COUNT = "ExactCount"
    SERVICE_ALLOWED_NEXT_VALUE = "ServiceAllowedNextValue"


class ScaleAction(ArmModel):
    direction: Direction
    type: ActionType
    value: _Amount = "1"
    cooldown: Annotated[Duration, Within(_MINUTE, timedelta(days=7))]


class ScaleRule(ArmModel):
    metric_trigger: MetricTrigger
    scale_action: ScaleAction


class Profile(ArmModel):
    name: _Word
    capacity: Capacity
    rules: Annotated[tuple[ScaleRule, ...], Field(max_length=10)]
    fixed_date: FixedDate | None = None
    recurrence: Recurrence | None = None

    @model_validator(mode="after")
    def _one_time(self) -> Self:
        if self.fixed_date and self.recurrence:
            raise bad_value("cannot have both fixedDate and recurrence")
        return self


class OperationName(ArmEnum):
    SCALE = "Scale"


class Email(ArmModel):
    send_to_subscription_administrator: Flag = False
    send_to_subscription_co_administrators: Flag = False
    custom_emails: tuple[_Word, ...] = ()


class Webhook(ArmModel):
    service_uri: Annotated[str, StringConstraints(pattern=r"^https?://", max_length=4096)]
    properties: dict[str, str] = Field(default_factory=dict)


class Notification(ArmModel):
    operation: OperationName = OperationName.SCALE
    email: Email | None = None
    webhooks: tuple[Webhook, ...] = ()


class ScaleMode(ArmEnum):
    DISABLED = "Disabled"
    FORECAST_ONLY = "ForecastOnly"
    ENABLED = "Enabled"


class PredictivePolicy(ArmModel):
    scale_mode: ScaleMode
    scale_look_ahead_time: Annotated[Duration, Within(_MINUTE, timedelta(minutes=60))] | None = None


class AutoscaleProperties(ArmModel):
    read_only: ClassVar[frozenset[str]] = frozenset({"provisioningstate", "warnings"})
    name: Annotated[str, StringConstraints(max_length=260)] | None = None
    enabled: Flag = False
    target_resource_uri: _Id
    target_resource_location: str | None = None
    profiles: Annotated[tuple[Profile, ...], Field(min_length=1, max_length=20)]
    notifications: tuple[Notification, ...] = ()
    predictive_autoscale_policy: PredictivePolicy | None = None

    @field_validator("profiles")
    @classmethod
    def _each_once(cls, value: tuple[Profile, ...]) -> tuple[Profile, ...]:
        names = [each.name.lower() for each in value]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise bad_value(f"has a profile twice: {', '.join(twice)}")
        return value


class AutoscaleSetting(ExtendedResource):
    properties: AutoscaleProperties

    @field_validator("tags")
    @classmethod
    def _few_tags(cls, value: Tags) -> Tags:
        if len(value) > _TAGS_MAX:
            raise bad_value(f"has {len(value)} tags; at most {_TAGS_MAX} are allowed")
        return value


def _one_default(body: Json, identity: ResourceId) -> Iterator[ErrorDetail]:
    """Its own name, and at most one profile that holds at all times."""
    name = body["properties"].get("name")
    if name is not None and name.lower() != identity.name.lower():
        words = f"properties.name is '{name}', the address is of '{identity.name}'."
        yield ErrorDetail("InvalidRequestContent", words, "properties.name")
    always = [each["name"] for each in body["properties"]["profiles"] if _is_always(each)]
    if len(always) > 1:
        words = f"properties.profiles: {', '.join(always)} hold at all times; only one can be the default."
        yield ErrorDetail(BadInput.code, words, "properties.profiles")


def _is_always(profile: Mapping[str, Any]) -> bool:
    return not profile.get("fixedDate") and not profile.get("recurrence")


def _warnings(body: Mapping[str, Any]) -> Iterator[Notice]:
    properties = body["properties"]
    words = (
        "Nothing scales by it yet: no metric is kept and no profile applied. The setting is kept and shown only."
    )
    yield Notice("NothingIsScaled", words, "properties.enabled")
    if properties["notifications"]:
        words = "Nobody is told yet: no webhook is called and no mail is sent."
        yield Notice("NobodyIsTold", words, "properties.notifications")


SHAPE = Shape(
    type=AUTOSCALE,
    model=AutoscaleSetting,
    rules=(_one_default,),
    warnings=_warnings,
    name=r"^[^<>*%&:\\?+/\x00-\x1f]{1,260}$",
    has_guid=False,
)
