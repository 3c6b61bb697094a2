select host, timestamp, occurrence, `user`, session_id, grace, `force`, message, source, state, line_number, line_offset
from lab_host_events
where host = ? and timestamp between ? and ?
order by timestamp, line_number, occurrence
limit ?
