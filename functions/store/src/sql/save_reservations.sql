insert into reservations (id, lab, host, start_at, end_at, status, who)
values {rows}
{upsert id}
    lab = {new lab}, host = {new host}, start_at = {new start_at}, end_at = {new end_at}, status = {new status},
    who = {new who}
