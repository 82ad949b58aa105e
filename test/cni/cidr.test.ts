import { formatCidr, gatewayOf, overlaps, parseCidr, subnetAt, subnetCount } from "../../plugins/cni/cidr.ts";
import { assert, test } from "../support/test.ts";

test("reads ranges and lone addresses", () => {
  assert.equal(parseCidr("10.224.0.0/14"), { base: 0x0ae00000, bits: 14 });
  assert.equal(parseCidr("255.255.255.255"), { base: 0xffffffff, bits: 32 });
  assert.is(formatCidr(parseCidr("192.168.208.0/20")), "192.168.208.0/20");
});

for (const text of ["", "10.0.0.0/33", "10.0.0/8", "256.0.0.0/8", "fd00::/8", "10.0.0.0/8 ", "10.0.0.0/-1"]) {
  test(`refuses "${text}" as a range`, () => {
    assert.throws(() => parseCidr(text), /is not an IPv4 range such as/);
  });
}

test("says where a range starts that was written from its middle", () => {
  assert.throws(() => parseCidr("10.225.0.0/14"), /10\.224\.0\.0\/14 does/);
});

test("knows which ranges share an address", () => {
  const range = parseCidr("10.1.0.0/16");
  assert.ok(overlaps(range, parseCidr("10.0.0.0/8")));
  assert.ok(overlaps(range, parseCidr("10.1.255.255")));
  assert.ok(overlaps(parseCidr("10.1.7.0/24"), range));
  assert.not.ok(overlaps(range, parseCidr("10.2.0.0/16")));
  assert.not.ok(overlaps(range, parseCidr("10.0.255.255/32")));
});

test("cuts a range into subnets, from the first to the last", () => {
  const range = parseCidr("10.224.0.0/14");
  assert.is(subnetCount(range, 24), 1024);
  assert.is(formatCidr(subnetAt(range, 24, 0)), "10.224.0.0/24");
  assert.is(formatCidr(subnetAt(range, 24, 1023)), "10.227.255.0/24");
  assert.is(gatewayOf(subnetAt(range, 24, 1023)), "10.227.255.1");
});
