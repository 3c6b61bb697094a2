select id, content, state, attempts, next_attempt_at, last_error, settled_at
from notifications
where 1 = 1{filters}
order by made_at desc, id desc
limit ?
