insert into reservation_operations
    (id, reservation_id, host, lab, run, action, attempt, status, success, response_code, message, packets, started_at, finished_at,
    ordered_by, output)
values {rows}
{keep id}
