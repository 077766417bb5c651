// Load sends orders to the service at a steady rate and counts what fails. It prints one JSON line at its end and
// exits with 1 if any call failed.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"math/rand"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"example.com/orders/orderspb"
)

var (
	addr  = flag.String("addr", "", "gRPC address of the service")
	qps   = flag.Float64("qps", 300, "calls a second")
	span  = flag.Duration("for", 20*time.Second, "how long; 0 until SIGINT or SIGTERM")
	conns = flag.Int("conns", 4, "connections")
)

// tally is what became of the calls.
type tally struct {
	sent, ok, failed atomic.Int64
	slowest          atomic.Int64 // nanoseconds
	complaint        sync.Once
}

func main() {
	flag.Parse()
	if *addr == "" || *qps <= 0 || *conns < 1 {
		log.Fatal("load: give -addr HOST:PORT, a -qps above 0 and at least one of -conns")
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if *span > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, *span)
		defer cancel()
	}
	clients, err := dial()
	if err != nil {
		log.Fatal("load: ", err)
	}
	start := time.Now()
	var counts tally
	send(ctx, clients, &counts)
	report(&counts, time.Since(start))
	if counts.failed.Load() > 0 {
		os.Exit(1)
	}
}

func dial() ([]orderspb.OrdersClient, error) {
	clients := make([]orderspb.OrdersClient, *conns)
	for i := range clients {
		conn, err := grpc.NewClient(*addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			return nil, err
		}
		clients[i] = orderspb.NewOrdersClient(conn)
	}
	return clients, nil
}

// send starts each call at its time, whether or not earlier ones have come back, and waits for the last.
func send(ctx context.Context, clients []orderspb.OrdersClient, counts *tally) {
	var calls sync.WaitGroup
	defer calls.Wait()
	start := time.Now()
	for i := 0; ; i++ {
		due := start.Add(time.Duration(float64(i) / *qps * float64(time.Second)))
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Until(due)):
		}
		calls.Add(1)
		go func(client orderspb.OrdersClient, i int) {
			defer calls.Done()
			counts.count(func() error { return call(client, i) })
		}(clients[i%len(clients)], i)
	}
}

// count makes one call and books it.
func (t *tally) count(call func() error) {
	t.sent.Add(1)
	start := time.Now()
	err := call()
	took := int64(time.Since(start))
	for slowest := t.slowest.Load(); took > slowest && !t.slowest.CompareAndSwap(slowest, took); {
		slowest = t.slowest.Load()
	}
	if err != nil {
		t.failed.Add(1)
		t.complaint.Do(func() { fmt.Fprintln(os.Stderr, "load: the first failed call:", err) })
		return
	}
	t.ok.Add(1)
}

// recent is the highest order number that a call has returned.
var recent atomic.Int64

// call places an order; every fifth time it reads one back instead, and every tenth it watches one.
func call(client orderspb.OrdersClient, i int) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	id := recent.Load()
	switch {
	case id > 0 && i%10 == 9:
		return watch(ctx, client, id)
	case id > 0 && i%5 == 3:
		_, err := client.GetOrder(ctx, &orderspb.GetOrderRequest{Id: id})
		return err
	default:
		placed, err := client.PlaceOrder(ctx, newOrder(i))
		if err == nil {
			recent.Store(placed.GetId())
		}
		return err
	}
}

func newOrder(i int) *orderspb.PlaceOrderRequest {
	request := &orderspb.PlaceOrderRequest{Customer: fmt.Sprint("customer-", i%5000), Note: fmt.Sprintf("call %d of the load", i)}
	for range 1 + i%4 {
		sku := fmt.Sprintf("SKU-%07d", rand.Intn(1000))
		request.Lines = append(request.Lines, &orderspb.Line{Sku: sku, Quantity: int32(1 + i%3)})
	}
	return request
}

func watch(ctx context.Context, client orderspb.OrdersClient, id int64) error {
	stream, err := client.WatchOrder(ctx, &orderspb.WatchOrderRequest{Id: id, Updates: 5})
	if err != nil {
		return err
	}
	for {
		if _, err := stream.Recv(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func report(counts *tally, took time.Duration) {
	line, err := json.Marshal(map[string]any{
		"sent": counts.sent.Load(), "ok": counts.ok.Load(), "failed": counts.failed.Load(),
		"seconds": took.Seconds(), "slowest_ms": float64(counts.slowest.Load()) / 1e6,
	})
	if err != nil {
		log.Fatal("load: ", err)
	}
	fmt.Println(string(line))
}
