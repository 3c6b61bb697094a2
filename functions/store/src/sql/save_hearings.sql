insert into notification_hearings (alert_id, receiver, at, to_state, heard, remind_at, ended_at)
values {rows}
{upsert alert_id, receiver}
    at = {new at}, to_state = {new to_state}, heard = {new heard}, remind_at = {new remind_at}, ended_at = {new ended_at}
