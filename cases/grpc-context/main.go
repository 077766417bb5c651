// Orders is a gRPC service with one leak that can be switched on or off: see interceptor.go.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	_ "net/http/pprof"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"

	"example.com/orders/orderspb"
)

var (
	leak    = flag.Bool("leak", false, "leave the context of every call behind")
	fixed   = flag.Bool("fixed", false, "cancel the context of every call when it ends")
	listen  = flag.String("listen", "127.0.0.1:0", "address for gRPC")
	listenW = flag.String("http", "127.0.0.1:0", "address for /debug/pprof and /truth")
	cacheMB = flag.Int("cache-mb", 60, "size of the order cache")
	priceMB = flag.Int("price-mb", 80, "size of the price table")
)

// server lives as long as the process.
var server *orderServer

func main() {
	flag.Parse()
	if *leak == *fixed {
		log.Fatal("orders: give one of -leak and -fixed")
	}
	measureLeakItems() // before anything else runs: it counts allocations
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	server = newOrderServer(ctx, *cacheMB<<20, *priceMB<<20)
	if err := serve(); err != nil {
		log.Fatal("orders: ", err)
	}
}

// serve listens, says READY and answers calls until the process is ended.
func serve() error {
	calls, err := net.Listen("tcp", *listen)
	if err != nil {
		return err
	}
	web, err := net.Listen("tcp", *listenW)
	if err != nil {
		return err
	}
	http.HandleFunc("/truth", serveTruth)
	go func() { log.Fatal("orders: ", http.Serve(web, nil)) }()

	g := grpc.NewServer(grpc.UnaryInterceptor(auditUnary), grpc.StreamInterceptor(auditStream))
	orderspb.RegisterOrdersServer(g, server)
	healthpb.RegisterHealthServer(g, health.NewServer())
	reflection.Register(g)

	started = time.Now()
	line, err := json.Marshal(map[string]any{
		"grpc": calls.Addr().String(), "http": web.Addr().String(), "pid": os.Getpid(),
	})
	if err != nil {
		return err
	}
	fmt.Printf("READY %s\n", line)
	return g.Serve(calls)
}
