SELECT c.name,
       (SELECT sum(o.cents) FROM orders o WHERE o.customer = c.id AND o.month = '2026-03') AS total
FROM customers c
WHERE c.country = 'AT'
ORDER BY total DESC, c.name
LIMIT 10;
