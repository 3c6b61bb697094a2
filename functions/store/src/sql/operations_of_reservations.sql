select id, reservation_id, host, lab, run, action, attempt, status, success, response_code, message, packets, started_at, finished_at,
    ordered_by
from reservation_operations
where reservation_id in ({list})
order by started_at, id
