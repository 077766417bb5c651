package main

import (
	"container/list"
	"sync"
)

// orderCache remembers the orders used last, up to a number of bytes. It is always in motion and never grows.
type orderCache struct {
	mu    sync.Mutex
	limit int
	bytes int
	byID  map[int64]*list.Element
	used  *list.List // of *order; the one used last in front
}

// perOrder is about what an order costs beside its document: the structure, its lines, map and list entry.
const perOrder = 640

func newOrderCache(limit int) *orderCache {
	return &orderCache{limit: limit, byID: make(map[int64]*list.Element), used: list.New()}
}

func (c *orderCache) put(o *order) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.byID[o.ID] = c.used.PushFront(o)
	c.bytes += o.cost()
	for c.bytes > c.limit {
		oldest := c.used.Back()
		gone := c.used.Remove(oldest).(*order)
		delete(c.byID, gone.ID)
		c.bytes -= gone.cost()
	}
}

func (c *orderCache) get(id int64) *order {
	c.mu.Lock()
	defer c.mu.Unlock()
	element, known := c.byID[id]
	if !known {
		return nil
	}
	c.used.MoveToFront(element)
	return element.Value.(*order)
}

// full says whether the cache has reached its size: one more order would push one out.
func (c *orderCache) full() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bytes+4*perOrder > c.limit
}

func (c *orderCache) size() (entries, bytes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.used.Len(), c.bytes
}

func (o *order) cost() int { return cap(o.document) + perOrder }
