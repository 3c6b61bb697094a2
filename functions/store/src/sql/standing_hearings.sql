select alert_id, receiver, at, to_state, heard, remind_at, ended_at
from notification_hearings
where ended_at is null
order by alert_id, receiver
