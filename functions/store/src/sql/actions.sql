select id, host, kind, state, ordered_by, alert_id, reservation_id, approved_by, ordered_at, not_before, expires_at, claimed_by,
    claimed_until - {epoch} as seconds_left, issued_at, settled_at, message, output
from station_actions
where 1 = 1{filters}
order by ordered_at desc, id desc
limit ?
