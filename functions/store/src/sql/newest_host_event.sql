select host, timestamp, occurrence, `user`, session_id, grace, `force`, message, source, state, line_number, line_offset
from lab_host_events
where host = ?
order by timestamp desc, line_number desc, occurrence desc
limit 1
