package main

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// checkLimit is how long an instance may take to say that it is ready.
const checkLimit = 2 * time.Second

// check asks an instance's ready path once: the health check of a container, whose image has no shell.
// It returns nil when the answer is 200.
func check(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, checkLimit)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return fmt.Errorf("--check %q is no URL: %w; give one such as http://127.0.0.1:8080/readyz", url, err)
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		return fmt.Errorf("%s does not answer: %w", url, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s, not 200", url, response.Status)
	}
	return nil
}
