/// The formula of an op and of its gradients, by the name under which a tape records it.
///
///   std::puts(formula_of("relu"));        // y = max(x, 0) …
///                                         // dx = dy where y > 0, else 0
///   formula_of("my_own_op");              // "": not of this library
///
/// The table repeats the opening comments of the ops' headers: tests/train/formulas.cpp compares and, with
/// QUERN_UPDATE=1, writes it.
#pragma once
#include <string_view>

#include <quern/base/config.hpp>

namespace quern::inline QUERN_ABI {

inline const char* formula_of(std::string_view op) {
  struct Entry {
    std::string_view op;
    const char* formula;
  };
  // clang-format off
  static constexpr Entry table[] = {
    // made from the headers
    {"add", R"(y = a + b
da = dy,  db = dy)"},
    {"attention", R"(p(i, j) = softmax_j(q_i · k_j / √D),  y_i = Σ_j p(i, j) m(i, j) v_j          for each head, D columns of H·D
m(i, j) = 0 with probability `dropout`, else 1 / (1 - dropout);  causal: j ≤ i alone
dv_j = Σ_i p(i, j) m(i, j) dy_i,  ds(i, j) = p(i, j) (m(i, j) dy_i · v_j - dy_i · y_i)
dq_i = Σ_j ds(i, j) k_j / √D,  dk_j = Σ_i ds(i, j) q_i / √D)"},
    {"binary_cross_entropy_with_logits", R"(loss = 1/n Σ_i (-p(c_i) y_i log σ(x_i) - (1-y_i) log(1 - σ(x_i)))        (logits x, targets y in [0, 1])
     = 1/n Σ_i ((1-y_i) x_i + w_i log(1 + e^-x_i)),  w_i = 1 + (p(c_i) - 1) y_i
dx_i = dloss/n · (1 - y_i - w_i σ(-x_i))                                 (without p: σ(x_i) - y_i))"},
    {"concat", R"(y = [x_1, x_2, …],   dx_i = the columns of dy that x_i became)"},
    {"conv1d", R"(y(t, f) = act(b(f) + Σ_{w,e} x(t - (width-1) + w, e) · weight(f, e, w))          x is 0 outside its text
db = Σ_t dz(t, :),  dweight(f, e, w) = Σ_t dz(t, f) x(t - (width-1) + w, e),
dx(s, e) = Σ_{w,f} dz(s + (width-1) - w, f) weight(f, e, w)                       dz is dy through the activation)"},
    {"conv1d_relu_max_over_time", R"(y(b, f) = max_t relu(b(f) + Σ_{w,e} x(t - (width-1) + w, e) · weight(f, e, w)) over the windows t of text b
dz(b, f) = dy(b, f) where y(b, f) > 0, else 0;  db = Σ_b dz(b, :)
dweight(f, :) = Σ_b dz(b, f) · window(b, t*(b, f)),  dx takes dz(b, f) · weight(f, :) at the window t*(b, f))"},
    {"cross_entropy", R"(l(b) = (1-ε) w(y_b) (-log p(b, y_b)) + ε/C Σ_c w(c) (-log p(b, c)),   p = softmax(logits)
loss = Σ_b l(b) / Σ_b w(y_b)                     (class weights w, label smoothing ε: Szegedy et al. 2016)
dlogits(b, c) = dloss / Σ w · (Σ_k q(b, k) p(b, c) - q(b, c)),  q(b, c) = (1-ε) w(y_b) [c = y_b] + ε/C w(c))"},
    {"dropout", R"(y = x · m / (1-p),  m is 0 with probability p, else 1
dx = dy · m / (1-p)          (the mask is not stored: its random numbers are addressed, and drawn again))"},
    {"embedding", R"(y(i, :) = weight(ids(i), :)
dweight(v, :) = Σ dy(i, :) over the i with ids(i) = v      (rows no id names stay zero, and are never visited))"},
    {"focal_loss", R"(l(b) = -α(y_b) (1 - p_b)^γ log p_b,   p_b = softmax(logits(b))(y_b)           (Lin et al. 2017, equation 5)
loss = Σ_b l(b) / Σ_b α(y_b)                                          (γ = 0 is cross_entropy with weights α)
s(b) = α(y_b) (γ (1 - p_b)^(γ-1) p_b log p_b - (1 - p_b)^γ) / Σ α,    the derivative of the loss by log p_b
dlogits(b, c) = dloss · s(b) ([c = y_b] - softmax(logits(b))(c)))"},
    {"gelu", R"(y = x Φ(x),  Φ(x) = (1 + erf(x / √2)) / 2
dx = dy (Φ(x) + x φ(x)),  φ(x) = e^(-x²/2) / √(2π)
with Approximate::tanh: y = x g,  g = (1 + tanh u) / 2,  u = √(2/π) (x + 0.044715 x³)
dx = dy (g + 2 x g (1 - g) u'))"},
    {"gru", R"([r, z] = σ(W_i x + b_i + W_h h' + b_h)                    h' of the step before; 0 at the first
q = W_hn h' + b_hn,  n = tanh(W_in x + b_in + r ∘ q),  h = (1 - z) ∘ n + z ∘ h'
dn = dh ∘ (1-z) ∘ (1-n²),  dq = dn ∘ r                    dh: dy + (dh ∘ z + W_hhᵀ dv of the step after)
du = [dn ∘ q ∘ r(1-r), dh ∘ (h'-n) ∘ z(1-z), dn],  dv = [the same, the same, dq]
dx = du W_ih,  dW_ih = duᵀ x,  dW_hh = dvᵀ h',  db_ih = Σ du,  db_hh = Σ dv)"},
    {"info_nce", R"(S(i, j) = q_i · k_j / τ                       (cosine: of q_i/‖q_i‖ and k_j/‖k_j‖; a row of zeros stays zeros)
loss = -1/B Σ_i log softmax(S(i))(i)                                      (van den Oord, Li & Vinyals 2018, eq. 4)
dS(i, j) = dloss/B · (softmax(S(i))(j) - [i = j]),  dq = dS k / τ,  dk = dSᵀ q / τ
cosine, u = x/‖x‖:  dx = (du - u (u · du)) / ‖x‖)"},
    {"kl_divergence", R"(loss = 1/B Σ_b Σ_c t(b, c) (log t(b, c) - x(b, c)),  0 log 0 = 0       (log-probabilities x, probabilities t)
dx(b, c) = -dloss/B · t(b, c)
loss = τ²/B Σ_b KL(softmax(t(b)/τ) ‖ softmax(x(b)/τ))
dx = dloss τ/B · (softmax(x/τ) - softmax(t/τ)))"},
    {"kl_divergence_with_logits", R"(loss = 1/B Σ_b Σ_c t(b, c) (log t(b, c) - x(b, c)),  0 log 0 = 0       (log-probabilities x, probabilities t)
dx(b, c) = -dloss/B · t(b, c)
loss = τ²/B Σ_b KL(softmax(t(b)/τ) ‖ softmax(x(b)/τ))
dx = dloss τ/B · (softmax(x/τ) - softmax(t/τ)))"},
    {"layer_norm", R"(h = (x - μ) / σ,  μ = mean_c x(c),  σ² = mean_c (x(c) - μ)² + eps
y = h · weight + bias
dx = (g - mean_c g - h · mean_c (g h)) / σ,  g = dy · weight
dweight = Σ_rows dy · h,  dbias = Σ_rows dy)"},
    {"layer_norm_residual", R"(y = layer_norm(s, weight, bias, eps),  s = x + residual · m / (1-p),  m is 0 with probability p, else 1
dx = ds,  dresidual = ds · m / (1-p),  and ds, dweight, dbias as of layer_norm)"},
    {"linear", R"(y = act(x Wᵀ + b)
dz = dy · act'(z),  dx = dz W,  dW = dzᵀ x,  db = Σ_rows dz)"},
    {"log_softmax", R"(y(c) = x(c) - ln Σ_k e^x(k)
dx(c) = dy(c) - e^y(c) Σ_k dy(k))"},
    {"lstm", R"([i, f, g, o] = [σ, σ, tanh, σ](W_ih x + b_ih + W_hh h' + b_hh)          h', c' of the step before; 0 at the first
c = f ∘ c' + i ∘ g,  h = o ∘ tanh c
dc = dh ∘ o ∘ (1 - tanh² c) + (dc ∘ f of the step after)                dh: dy + W_hhᵀ da of the step after
da = [dc ∘ g ∘ i(1-i), dc ∘ c' ∘ f(1-f), dc ∘ i ∘ (1-g²), dh ∘ tanh c ∘ o(1-o)]
dx = da W_ih,  dW_ih = daᵀ x,  dW_hh = daᵀ h',  db_ih = db_hh = Σ da)"},
    {"matmul", R"(y = A B,  A = op(a) [M, K],  B = op(b) [K, N]
dA = dy Bᵀ,  dB = Aᵀ dy          (written for op(a), op(b); a transposed operand gets the transpose of this))"},
    {"max_over_time", R"(y(b, c) = max_t x(t, c) over the rows t of text b
dx(t, c) = dy(b, c) at the first t that has the maximum, else 0)"},
    {"mean", R"(y(…, …) = 1/n · Σ_n x(…, n, …)
dx(…, n, …) = dy(…, …) / n)"},
    {"mean_over_time", R"(y(b, c) = 1/n_b · Σ_t x(t, c) over the n_b rows t of text b
dx(t, c) = dy(b, c) / n_b)"},
    {"mse_loss", R"(loss = 1/n Σ_i (x_i - y_i)²            (predictions x, targets y)
dx_i = dloss · 2/n (x_i - y_i))"},
    {"mul", R"(y = a · b
da = dy · b,  db = dy · a)"},
    {"positions", R"(token_positions(i) = i - offsets(b) for the tokens i of text b                    (of each text: 0, 1, 2, …)
first_rows(b) = offsets(b)                                                        (the row of its first token)
sinusoidal_positions(i, 2c) = sin(p / 10000^(2c/E)),  (i, 2c+1) = cos(p / 10000^(2c/E)),  p = token_positions(i))"},
    {"relu", R"(y = max(x, 0)                       (Nair & Hinton 2010); NaN stays NaN
dx = dy where y > 0, else 0         (the kink at 0 is given the left derivative))"},
    {"reshape", R"(y = x,  dx = dy          (elements in row-major order))"},
    {"scale", R"(y = factor · x
dx = factor · dy)"},
    {"sigmoid", R"(y = 1 / (1 + e⁻ˣ)
dx = dy · y (1 - y))"},
    {"slice", R"(y(…, i, …) = x(…, begin + i, …),  0 ≤ i < end - begin
dx = dy inside the range, 0 outside it)"},
    {"softmax", R"(y(c) = e^x(c) / Σ_k e^x(k)
dx(c) = y(c) (dy(c) - Σ_k dy(k) y(k)))"},
    {"softplus", R"(y = ln(1 + eˣ)                      (Dugas et al. 2001); computed as max(x, 0) + ln(1 + e^-|x|)
dx = dy / (1 + e⁻ˣ))"},
    {"split", R"(x = [y_1, y_2, …],   dx = [dy_1, dy_2, …])"},
    {"sum", R"(y(…, …) = Σ_n x(…, n, …)
dx(…, n, …) = dy(…, …))"},
    {"tanh", R"(y = (eˣ - e⁻ˣ) / (eˣ + e⁻ˣ)
dx = dy (1 - y²))"},
    {"transpose", R"(y(…, c, r) = x(…, r, c)
dx(…, r, c) = dy(…, c, r))"},
    {"triplet_margin_loss", R"(l(b) = max(0, ‖a_b - p_b‖ - ‖a_b - n_b‖ + margin),   loss = 1/B Σ_b l(b)         (Schroff et al. 2015)
where l(b) > 0:  dp_b = -dloss/B (a_b - p_b)/‖a_b - p_b‖,  dn_b = dloss/B (a_b - n_b)/‖a_b - n_b‖,
                 da_b = -dp_b - dn_b;  else 0. A distance of 0 has the slope 0.)"},
    // end
  };
  // clang-format on
  for (const Entry& entry : table)
    if (entry.op == op) return entry.formula;
  return "";
}

}  // namespace quern::inline QUERN_ABI
