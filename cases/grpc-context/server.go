package main

import (
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"example.com/orders/orderspb"
)

// orderServer answers the calls of service Orders.
type orderServer struct {
	orderspb.UnimplementedOrdersServer

	baseCtx context.Context // ends with the server
	orders  *orderCache
	prices  map[string]*price
	lastID  atomic.Int64
}

// order is an order as the server keeps it.
type order struct {
	ID       int64       `json:"id"`
	Customer string      `json:"customer"`
	Lines    []orderLine `json:"lines"`
	Total    int64       `json:"total_cents"`
	Note     string      `json:"note"`
	Placed   time.Time   `json:"placed"`
	document []byte      // the order as JSON, as it would go to a warehouse
}

type orderLine struct {
	SKU      string `json:"sku"`
	Quantity int32  `json:"quantity"`
	Cents    int64  `json:"cents"`
}

// newOrderServer makes a server whose cache and price table have their full size from the start. The orders in the
// cache are such as the load sends: as they are pushed out, nothing about the cache changes.
func newOrderServer(ctx context.Context, cacheBytes, priceBytes int) *orderServer {
	s := &orderServer{baseCtx: ctx, orders: newOrderCache(cacheBytes), prices: newPriceTable(priceBytes)}
	for !s.orders.full() {
		id := int(s.lastID.Load())
		var lines []*orderspb.Line
		for i := 0; i <= id%4; i++ {
			lines = append(lines, &orderspb.Line{Sku: skuName(id + i), Quantity: int32(1 + id%3)})
		}
		if _, err := s.place(fmt.Sprint("customer-", id%5000), fmt.Sprintf("call %d of old", id), lines); err != nil {
			panic(err) // the table has every SKU that skuName makes
		}
	}
	return s
}

// PlaceOrder prices an order and remembers it.
func (s *orderServer) PlaceOrder(_ context.Context, in *orderspb.PlaceOrderRequest) (*orderspb.Order, error) {
	placed, err := s.place(in.GetCustomer(), in.GetNote(), in.GetLines())
	if err != nil {
		return nil, err
	}
	return placed.message(), nil
}

func (s *orderServer) place(customer, note string, lines []*orderspb.Line) (*order, error) {
	o := &order{ID: s.lastID.Add(1), Customer: customer, Note: note, Placed: time.Now()}
	for _, line := range lines {
		p, known := s.prices[line.GetSku()]
		if !known {
			return nil, status.Errorf(codes.InvalidArgument, "no price for %q", line.GetSku())
		}
		cents := p.today() * int64(line.GetQuantity())
		o.Lines = append(o.Lines, orderLine{SKU: p.sku, Quantity: line.GetQuantity(), Cents: cents})
		o.Total += cents
	}
	document, err := json.MarshalIndent(o, "", "  ")
	if err != nil {
		return nil, status.Errorf(codes.Internal, "writing the order: %v", err)
	}
	o.document = document
	s.orders.put(o)
	return o, nil
}

// GetOrder returns an order that is still remembered.
func (s *orderServer) GetOrder(_ context.Context, in *orderspb.GetOrderRequest) (*orderspb.Order, error) {
	found, err := s.find(in.GetId())
	if err != nil {
		return nil, err
	}
	return found.message(), nil
}

// WatchOrder sends a few updates of an order and ends.
func (s *orderServer) WatchOrder(in *orderspb.WatchOrderRequest, out grpc.ServerStreamingServer[orderspb.OrderUpdate]) error {
	found, err := s.find(in.GetId())
	if err != nil {
		return err
	}
	for i := int32(0); i < in.GetUpdates(); i++ {
		state := fmt.Sprintf("%s: step %d", found.Customer, i)
		if err := out.Send(&orderspb.OrderUpdate{Id: found.ID, Sequence: i, State: state}); err != nil {
			return err
		}
	}
	return nil
}

// find reads an order back from its document, as a service would from its store.
func (s *orderServer) find(id int64) (*order, error) {
	kept := s.orders.get(id)
	if kept == nil {
		return nil, status.Errorf(codes.NotFound, "no order %d", id)
	}
	found := new(order)
	if err := json.Unmarshal(kept.document, found); err != nil {
		return nil, status.Errorf(codes.Internal, "reading order %d: %v", id, err)
	}
	return found, nil
}

func (o *order) message() *orderspb.Order {
	lines := make([]*orderspb.Line, len(o.Lines))
	for i, line := range o.Lines {
		lines[i] = &orderspb.Line{Sku: line.SKU, Quantity: line.Quantity}
	}
	return &orderspb.Order{Id: o.ID, Customer: o.Customer, Lines: lines, TotalCents: o.Total}
}
