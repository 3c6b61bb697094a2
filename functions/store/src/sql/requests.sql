select id, kind, host, reservation_id, asked_by, asked_at, reason, minutes, until_at, state, expires_at, shown_at, seen_at, answered_at,
    answered_by, note
from instructor_requests
where 1 = 1{filters}
order by asked_at desc, id desc
limit ?
