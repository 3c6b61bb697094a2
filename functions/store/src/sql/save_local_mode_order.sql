insert into local_mode_orders
    (host, enabled, owner, reason, ordered_at, request_id, expires_at, warned_at, ended_by, attempts, next_attempt_at, applied_at, problem)
values {rows}
{upsert host} enabled = {new enabled}, owner = {new owner}, reason = {new reason}, ordered_at = {new ordered_at},
    request_id = {new request_id}, expires_at = {new expires_at}, warned_at = {new warned_at}, ended_by = {new ended_by},
    attempts = {new attempts}, next_attempt_at = {new next_attempt_at}, applied_at = {new applied_at}, problem = {new problem}
