select id, receiver, content, attempts, reached
from notifications
where state = 'pending' and receiver = ? and next_attempt_at <= ?
order by next_attempt_at, id
limit ?
{for update}
