select id, receiver, content, attempts
from notifications
where state = 'pending' and next_attempt_at <= ?
order by next_attempt_at, id
limit ?
{for update}
