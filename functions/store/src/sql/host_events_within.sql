select host, timestamp, occurrence, `user`, session_id, grace, `force`, message, source, state, line_number, line_offset
from lab_host_events
where {any host = ? and timestamp between ? and ?}
order by host, timestamp, line_number, occurrence
