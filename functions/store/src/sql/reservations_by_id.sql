select id, lab, host, start_at, end_at, status, who
from reservations
where id in ({list})
order by id
