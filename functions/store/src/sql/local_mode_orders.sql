select host, enabled, owner, reason, ordered_at, request_id, expires_at, warned_at, ended_by, attempts, next_attempt_at, applied_at, problem
from local_mode_orders
where 1 = 1{filters}
order by host
