select id, lab, host, start_at, end_at, status, who
from reservations
where host in ({list}) and end_at >= ? and start_at <= ?
order by host, start_at, id
