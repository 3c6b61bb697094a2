select id, rule, host, reservation_id, state, opened_at, acknowledged_at, acknowledged_by, acknowledged_until, note,
    resolved_at, cause
from alerts
where 1 = 1{filters}
order by opened_at desc, id desc
limit ?
