insert into reservation_forced_logoffs
    (host, timestamp, user_key, session_key, occurrence, `user`, session_id, grace, `force`, message, source, reservation_id,
     found_in)
values {rows}
{upsert host, timestamp, user_key, session_key, occurrence}
    grace = {new grace}, `force` = {new `force`}, message = {new message}, source = {new source},
    reservation_id = {new reservation_id}, found_in = {new found_in}
