select id, lab, host, start_at, end_at, status, who
from reservations
where end_at >= ? and start_at <= ?{filters}
order by start_at, id
limit ?
