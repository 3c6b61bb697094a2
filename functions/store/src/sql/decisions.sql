select alert_id, at, to_state, receiver, decided_at, because
from notification_decisions
where 1 = 1{filters}
order by decided_at, at, to_state, receiver
