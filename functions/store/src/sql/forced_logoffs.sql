select host, timestamp, user_key, session_key, occurrence, `user`, session_id, grace, `force`, message, source,
    reservation_id, found_in
from reservation_forced_logoffs
where 1 = 1{filters}
order by timestamp desc, host, user_key, session_key, occurrence
limit ?
