"""Declarations of Amazon CloudWatch Logs types.

Knows no SDK and no handler.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

from iaclib import declare as iac

#: The periods that CloudWatch Logs knows, in days; unset keeps for ever.
RetentionDays = Literal[
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653
]


class LogGroup(iac.Resource, type="aws:logs:LogGroup", settle=120, stateful=True, tags="tags"):
    """A group of log streams; its id is its name.

    Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-logs-loggroup.html
    """

    log_group_name: iac.Input[Annotated[str, iac.Pattern(r"^[.\-_/#A-Za-z0-9]{1,512}$")]] | None = iac.field(
        default=None, replaces=True, unique=True, generated=True
    )
    retention_in_days: iac.Input[RetentionDays] | None = iac.field(default=None)
    kms_key_id: iac.Input[str] | None = iac.field(default=None)
    # AWS fixes the class when the group is made, although its schema does not say so.
    log_group_class: iac.Input[Literal["STANDARD", "INFREQUENT_ACCESS", "DELIVERY"]] | None = iac.field(
        default=None, replaces=True
    )
    tags: iac.Input[Mapping[str, iac.Input[str]]] | None = iac.field(default=None)
    arn: iac.Output[str] = iac.computed(stable=True)
