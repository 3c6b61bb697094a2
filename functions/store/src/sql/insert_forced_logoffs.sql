insert into reservation_forced_logoffs
    (host, timestamp, user_key, session_key, occurrence, `user`, session_id, grace, `force`, message, source, reservation_id,
     found_in)
values {rows}
{keep host, timestamp, user_key, session_key, occurrence = host}
