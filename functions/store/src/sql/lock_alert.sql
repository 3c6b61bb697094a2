select id, rule, host, reservation_id, state, opened_at, acknowledged_at, acknowledged_by, acknowledged_until, note,
    resolved_at, cause
from alerts
where id = ?
{for update}
