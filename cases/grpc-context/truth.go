package main

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"reflect"
	"runtime"
	"sync/atomic"
	"time"
	"unsafe"
)

// started is when the service became ready.
var started time.Time

// counters is the service's own account of its calls and audits.
var counters auditCounters

type auditCounters struct {
	calls    atomic.Int64 // that have begun
	returned atomic.Int64 // whose handler has returned
	audits   atomic.Int64 // whose goroutine has ended
	audited  atomic.Int64 // nanoseconds, sum over ended audits
	kept     atomic.Int64 // bytes of requests, sum over ended audits
}

func (c *auditCounters) began() { c.calls.Add(1) }
func (c *auditCounters) ended() { c.returned.Add(1) }

func (c *auditCounters) closed(after time.Duration, bytes int) {
	c.audited.Add(int64(after))
	c.kept.Add(int64(bytes))
	c.audits.Add(1)
}

// leaked is the number of audits that outlived their call.
func (c *auditCounters) leaked() int64 {
	audits := c.audits.Load() // before returned: the difference must not be negative for longer than a call
	return max(0, c.returned.Load()-audits)
}

// leakItem is one allocation that each leaked audit keeps alive.
type leakItem struct {
	What    string `json:"what"`
	Objects int64  `json:"objects"`
	Bytes   int64  `json:"bytes"` // of the size class
}

// leakItems is what one leaked audit keeps alive, without what the runtime keeps for a goroutine (its g, its
// sudog) and without the growth of shared tables (the parent's children, the timer heap).
var leakItems []leakItem

// measureLeakItems finds the size of every allocation of a leaked audit from what the allocator itself counts:
// types of other packages cannot be asked for their size by name.
func measureLeakItems() {
	nothing := func() {}
	sample, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()

	withTimeout := cost(func() any { c, cancel := context.WithTimeout(context.Background(), time.Hour); _ = cancel; return c })
	timerCtx := cost(func() any { return reflect.New(reflect.TypeOf(sample).Elem()).Interface() })
	timer := cost(func() any { return time.AfterFunc(time.Hour, nothing) })
	cancelFunc := cost(func() any { return new(struct{ code, ctx unsafe.Pointer }) }) // dropped at once: no part of the leak
	leakItems = []leakItem{
		{"context.timerCtx", 1, timerCtx},
		{"time.Timer", 1, timer},
		{"closure of the timer", 1, withTimeout - timerCtx - timer - cancelFunc},
		{"channel of Done", 1, cost(func() any { return make(chan struct{}) })},
		{"closure of the goroutine", 1, cost(func() any {
			return new(struct {
				code   unsafe.Pointer
				ctx    context.Context
				record *auditRecord
			})
		})},
		{"main.auditRecord", 1, cost(func() any { return new(auditRecord) })},
		{"request of the record", 1, cost(func() any { return new([auditBytes]byte) })},
	}
}

var keep any

// cost is the number of bytes that make allocates: the least of several runs, since the runtime may allocate in
// between for itself.
func cost(make func() any) int64 {
	var before, after runtime.MemStats
	least := int64(1 << 62)
	for i := 0; i < 32; i++ {
		runtime.ReadMemStats(&before)
		keep = make()
		runtime.ReadMemStats(&after)
		least = min(least, int64(after.TotalAlloc-before.TotalAlloc))
	}
	keep = nil
	return least
}

// stackBytes is what the stack of one audit goroutine takes: the runtime's smallest.
const stackBytes = 2048

// serveTruth answers with what the service knows of itself, as one JSON object.
func serveTruth(w http.ResponseWriter, _ *http.Request) {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	leaked := counters.leaked()
	uptime := time.Since(started).Seconds()
	objects, bytes := int64(0), int64(0)
	for _, item := range leakItems {
		objects, bytes = objects+item.Objects, bytes+item.Bytes
	}
	entries, cacheBytes := server.orders.size()
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{
		"mode": mode(), "go": runtime.Version(), "pid": os.Getpid(), "uptime_seconds": uptime,
		"requests": counters.calls.Load(), "leaked_contexts": leaked, "leaked_goroutines": leaked,
		"leaked_objects": leaked * objects, "leaked_bytes": leaked * bytes, "leaked_stack_bytes": leaked * stackBytes,
		"leaks_per_second": float64(leaked) / uptime, "per_leak": leakItems,
		"goroutines": runtime.NumGoroutine(), "stack_bytes_in_use": stats.StackInuse,
		"heap_bytes": stats.HeapAlloc, "heap_objects": stats.HeapObjects,
		"cache_entries": entries, "cache_bytes": cacheBytes, "price_rows": rows,
	})
}

func mode() string {
	if *leak {
		return "leak"
	}
	return "fixed"
}
