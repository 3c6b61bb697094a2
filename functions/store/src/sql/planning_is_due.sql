select 1 as due from notifications_owed where look_at <= ?
union all
select 1 from notification_hearings where remind_at <= ?
limit 1
