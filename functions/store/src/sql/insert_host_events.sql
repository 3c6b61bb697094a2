insert into lab_host_events
    (host, timestamp, user_key, session_key, occurrence, `user`, session_id, grace, `force`, message, source, state,
     line_number, line_offset)
values {rows}
{keep host, timestamp, user_key, session_key, occurrence = host}
