insert into instructor_requests
    (id, kind, host, reservation_id, asked_by, asked_at, reason, minutes, until_at, state, expires_at, shown_at, seen_at, answered_at, answered_by,
    note)
values {rows}
{upsert id} reason = {new reason}, until_at = {new until_at}, reservation_id = {new reservation_id}, state = {new state},
    expires_at = {new expires_at}, shown_at = {new shown_at}, seen_at = {new seen_at}, answered_at = {new answered_at},
    answered_by = {new answered_by}, note = {new note}
