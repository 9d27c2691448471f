"""``python -m iaclib.schema.build [db.json.gz]``: regenerate the packs, the modules of services, and what is taken from npm.

With a path, the extra facts are taken anew from the database of ``@aws-cdk/aws-service-spec``.
"""

from __future__ import annotations

import sys
from pathlib import Path

from iaclib.schema.build import cloudformation, modules, pack, service_spec


def main(arguments: list[str]) -> None:
    """Regenerate everything that is generated and committed."""
    source = cloudformation.installed()
    if arguments:
        service_spec.write(service_spec.extract(Path(arguments[0])), source.schemas)
    count = pack.write(source)
    size = sum((pack.PACKS / f"aws.{kind}").stat().st_size for kind in ("pack", "names"))
    sys.stdout.write(f"aws: {count} types in {size:,} bytes, {modules.write()} modules\n")


if __name__ == "__main__":
    main(sys.argv[1:])
