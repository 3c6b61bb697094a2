select id, reservation_id, host, lab, run, action, attempt, status, success, response_code, message, packets, started_at, finished_at,
    ordered_by, output
from reservation_operations
where 1 = 1{filters}
order by started_at desc, id desc
limit ?
