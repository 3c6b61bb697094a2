select rule, state, count(*) as alerts
from alerts
where state in ('open', 'acknowledged')
group by rule, state
order by rule, state
