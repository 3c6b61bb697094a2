insert into local_mode_orders (host, enabled, owner, reason, ordered_at)
values {rows}
{upsert host} enabled = {new enabled}, owner = {new owner}, reason = {new reason}, ordered_at = {new ordered_at}
