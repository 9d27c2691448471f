"""What users write: resources, components, stacks, and their collection.

The clouds' declaration modules import the public names from here, since
nothing in the house may import ``iaclib`` itself.
"""

from iaclib.declare.component import Component
from iaclib.declare.lookup import Lookup
from iaclib.declare.options import Hooks, Options, Timeouts
from iaclib.declare.resource import Resource
from iaclib.declare.sources import stack_output
from iaclib.declare.stack import Stack
from iaclib.model.assets import Asset
from iaclib.model.fields import Pattern, Range, computed, field
from iaclib.model.outputs import Input, Output, gather, json, output, secret
from iaclib.model.values import Secret

__all__ = [
    "Asset",
    "Component",
    "Hooks",
    "Input",
    "Lookup",
    "Options",
    "Output",
    "Pattern",
    "Range",
    "Resource",
    "Secret",
    "Stack",
    "Timeouts",
    "computed",
    "field",
    "gather",
    "json",
    "output",
    "secret",
    "stack_output",
]
