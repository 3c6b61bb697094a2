select host, timestamp, user_key, session_key, occurrence, `user`, session_id, grace, `force`, message, source,
    reservation_id, found_in
from reservation_forced_logoffs
where {any host = ? and timestamp between ? and ?}
order by host, timestamp, user_key, session_key, occurrence
