select host, enabled, owner, reason, ordered_at
from local_mode_orders
where 1 = 1{filters}
order by host
