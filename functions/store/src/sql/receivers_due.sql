select distinct receiver
from notifications
where state = 'pending' and next_attempt_at <= ?
order by receiver
