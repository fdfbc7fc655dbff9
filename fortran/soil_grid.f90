!> The vertical grid of CLM5, 20SL_8.5m: 20 soil layers over 8.6 m and the first bedrock layer below.
!>
!> CTSM: src/main/initVerticalMod.F90, soil_layerstruct_predefined = '20SL_8.5m'. Values equal CTSM's sums
!> bit for bit: layers are compared with the active-layer depth, so the last digits matter.
module soil_grid
   use kinds, only: dp
   implicit none (type, external)
   private

   public :: n_layers, n_pools, n_months
   public :: node_depth, layer_thickness, interface_depth
   public :: decimal_node_depth, decimal_interface_depth

   integer, parameter :: n_layers = 20
   integer, parameter :: n_pools = 7
   integer, parameter :: n_months = 12

   !> Thickness of each soil layer (m).
   real(dp), parameter :: layer_thickness(n_layers) = [ &
      0.02_dp, 0.04_dp, 0.06_dp, 0.08_dp, 0.12_dp, 0.16_dp, 0.20_dp, 0.24_dp, &
      0.28_dp, 0.32_dp, 0.36000000000000004_dp, 0.40_dp, 0.44_dp, 0.54_dp, 0.64_dp, 0.74_dp, &
      0.8400000000000001_dp, 0.9399999999999999_dp, 1.04_dp, 1.1400000000000001_dp]

   !> Depth of each layer's node (m); the 21st is the first bedrock layer.
   real(dp), parameter :: node_depth(n_layers + 1) = [ &
      0.01_dp, 0.04_dp, 0.09_dp, 0.16_dp, 0.26_dp, 0.40_dp, 0.58_dp, 0.7999999999999999_dp, &
      1.06_dp, 1.3599999999999999_dp, 1.7000000000000002_dp, 2.08_dp, 2.50_dp, 2.99_dp, 3.58_dp, &
      4.2700000000000005_dp, 5.0600000000000005_dp, 5.95_dp, 6.9399999999999995_dp, 8.029999999999999_dp, 9.795_dp]

   !> Depth of each interface (m): entry 0 is the surface, entry j the bottom of layer j.
   real(dp), parameter :: interface_depth(0:n_layers + 1) = [ &
      0.0_dp, 0.02_dp, 0.06_dp, 0.12_dp, 0.20_dp, 0.32_dp, 0.48_dp, 0.6799999999999999_dp, &
      0.9199999999999999_dp, 1.20_dp, 1.52_dp, 1.8800000000000001_dp, 2.2800000000000002_dp, 2.72_dp, &
      3.2600000000000002_dp, 3.9000000000000004_dp, &
      4.640000000000001_dp, 5.48_dp, 6.42_dp, 7.46_dp, 8.60_dp, 10.99_dp]

   !> Nodes and interfaces (m) as the published code writes them out: decimals, without the last bits of sums.
   real(dp), parameter :: decimal_node_depth(n_layers) = real(nint(100.0_dp*node_depth(1:n_layers)), dp)/100.0_dp
   real(dp), parameter :: decimal_interface_depth(0:n_layers + 1) = real(nint(100.0_dp*interface_depth), dp)/100.0_dp

end module soil_grid
