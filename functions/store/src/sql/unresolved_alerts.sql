select id, rule, host, reservation_id, state, opened_at, acknowledged_at, acknowledged_by, acknowledged_until, note,
    resolved_at, cause
from alerts
where host in ({list}) and state in ('open', 'acknowledged')
order by host, opened_at, id
{for update}
