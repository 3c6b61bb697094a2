select convert(transaction_hash using utf8mb4) as id, convert(lab_id using utf8mb4) as lab,
    date_format(start_time, '%Y-%m-%dT%H:%i:%s.%f') as start_at, date_format(end_time, '%Y-%m-%dT%H:%i:%s.%f') as end_at,
    convert(status using utf8mb4) as status, convert(wallet_address using utf8mb4) as who
from lab_reservations
where 1 = 1{filters}
order by start_time, transaction_hash
limit ?
