"""Which database belongs to which tenant, by what the load was told and what the final read found."""

from __future__ import annotations

import re
from collections.abc import Callable

from harness.record.reader import Record
from harness.record.schema import ControlTenant, Intent, Login
from harness.target import filled


def tenant_ids(record: Record) -> dict[str, str]:
    """The target's id of each tenant label, from the answers; a later answer wins."""
    requests = record.requests
    known = requests[requests["tenant_id"].notna()][["tenant", "tenant_id"]].drop_duplicates()
    ids = {str(tenant): str(tenant_id) for tenant, tenant_id in known.itertuples(index=False)}
    return ids | {row.tenant: row.tenant_id for row in record.rows(Login) if row.tenant_id}


def owners(record: Record) -> dict[str, str]:
    """Database name -> tenant label."""
    by_email = {row.email: row.tenant for row in record.rows(Intent)}
    label_of = {tenant_id: tenant for tenant, tenant_id in tenant_ids(record).items()}
    found = {database_of(record, tenant_id): tenant for tenant_id, tenant in label_of.items()}
    for row in record.rows(ControlTenant):
        label = label_of.get(row.tenant_id) or by_email.get(row.email or "")
        if label:
            found[row.database or database_of(record, row.tenant_id)] = label
    return found


def database_of(record: Record, tenant_id: str, slug: str = "") -> str:
    """The name of a tenant's database by the target file's pattern."""
    values = {"tenant_id": tenant_id, "tenant_id_hex": tenant_id.replace("-", ""), "slug": slug}
    return filled(record.plan.target.database.tenant, values)


def is_tenants(record: Record) -> Callable[[str], bool]:
    """Whether a database name is that of a tenant's database."""
    pattern = re.compile(record.plan.target.database.tenant_pattern)
    return lambda database: bool(pattern.search(database))
