!> One implicit step of vertical transport, and the transport matrix of ctsm5.4's matrix solution.
!>
!> CTSM: SoilBiogeochemLittVertTransp (advection-diffusion after Patankar 1980) and TridiagonalMod.
!> The order of operations is the model's: entries of its matrix are small differences of large numbers.
module ctsm_transport
   use, intrinsic :: iso_fortran_env, only: real32
   use kinds, only: dp
   use soil_grid, only: n_layers, n_pools, node_depth, interface_depth, layer_thickness
   use ctsm_parameters, only: ctsm_scheme, i_cwd, i_l1
   use ctsm_diffusivity, only: mixing_profile
   implicit none (type, external)
   private

   public :: transport_rows, transport_solver
   public :: evaluate_rows, new_solver, transport_pools, fold_bedrock, matrix_block
   public :: face_exchange, patankar, node_distance, weight_below

   !> All pools but coarse woody debris, which follow it in the kernel's order.
   integer, parameter :: n_mobile = n_pools - 1
   !> Entries of one pool in the sparse matrix: three diagonals.
   integer, parameter :: n_block_entries = 3*n_layers - 2
   !> Stands for zero; the model writes it in single precision.
   real(dp), parameter :: nothing = real(1.0e-30_real32, dp)

   !> Distance of each node to the one above (m), levels 2 to 21.
   real(dp), parameter :: node_distance(2:n_layers + 1) = &
      node_depth(2:n_layers + 1) - node_depth(1:n_layers)
   !> Weight of the node above in the mean over the face above a level.
   real(dp), parameter :: weight_above(2:n_layers + 1) = &
      (interface_depth(1:n_layers) - node_depth(1:n_layers))/node_distance
   !> Weight of the node below in the mean over the face below a level.
   real(dp), parameter :: weight_below(n_layers) = &
      (node_depth(2:n_layers + 1) - interface_depth(1:n_layers))/node_distance

   !> Tridiagonal rows of levels 1 to 20 (m s-1) before the levels' capacity is added on the left.
   type :: transport_rows
      real(dp), dimension(n_layers) :: lower, diagonal, upper, capacity
      !> What the first level loses of its old content.
      real(dp) :: surface_velocity
   end type transport_rows

   !> The rows of every mobile pool, eliminated: lanes first, so that pools are solved side by side.
   type :: transport_solver
      real(dp), dimension(n_mobile, n_layers) :: lower, pivot
      real(dp), dimension(n_mobile, n_layers + 1) :: multiplier
      real(dp) :: capacity(n_layers), dt
      real(dp) :: surface_velocity(n_mobile)
   end type transport_solver

contains

   !> Rows for one pool whose mixing spin-up multiplies by `acceleration`.
   pure subroutine evaluate_rows(scheme, mixing, nbedrock, acceleration, dt, rows)
      type(ctsm_scheme), intent(in) :: scheme
      type(mixing_profile), intent(in) :: mixing
      integer, intent(in) :: nbedrock
      real(dp), intent(in) :: acceleration, dt
      type(transport_rows), intent(out) :: rows
      real(dp), dimension(n_layers + 1) :: diffusivity, velocity

      diffusivity = mixing%diffusivity*acceleration
      velocity = mixing%velocity*acceleration
      rows%capacity = layer_thickness/dt
      if (scheme%switches%conservative) then
         call closed_rows(diffusivity, velocity, nbedrock, rows)
      else
         where (abs(diffusivity) < nothing) diffusivity = nothing
         where (abs(mixing%velocity)*acceleration < nothing) velocity = nothing
         call model_rows(diffusivity, velocity, nbedrock, rows)
      end if
   end subroutine evaluate_rows

   !> The model's rows. At level nbedrock + 1 the coupling below repeats the one above, which the next
   !> level does not answer: that is where carbon leaks.
   pure subroutine model_rows(diffusivity, velocity, nbedrock, rows)
      real(dp), dimension(n_layers + 1), intent(in) :: diffusivity, velocity
      integer, intent(in) :: nbedrock
      type(transport_rows), intent(inout) :: rows
      real(dp), dimension(n_layers) :: above, below, velocity_below
      integer :: bottom

      bottom = max(nbedrock + 1, 2)
      above(1) = 0.0_dp
      above(2:) = face_above(diffusivity(2:n_layers), diffusivity(1:n_layers - 1), 2)
      below = face_below(diffusivity(1:n_layers), diffusivity(2:n_layers + 1))
      below(bottom:) = above(bottom:)
      velocity_below = velocity(2:)
      velocity_below(bottom:) = 0.0_dp
      associate (velocity_above => velocity(1:n_layers))
         rows%lower(1) = -max(velocity_above(1), 0.0_dp)
         rows%lower(2:) = -(above(2:)*patankar(velocity_above(2:)/above(2:)) + max(velocity_above(2:), 0.0_dp))
         rows%upper = -(below*patankar(velocity_below/below) + max(-velocity_below, 0.0_dp))
         rows%diagonal = -rows%lower - rows%upper + rows%capacity
      end associate
      rows%surface_velocity = velocity(1)
   end subroutine model_rows

   !> Conservative rows: what leaves a level arrives in the next, none through the surface or into bedrock.
   pure subroutine closed_rows(diffusivity, velocity, nbedrock, rows)
      real(dp), dimension(n_layers + 1), intent(in) :: diffusivity, velocity
      integer, intent(in) :: nbedrock
      type(transport_rows), intent(inout) :: rows
      real(dp) :: downward(n_layers), upward(n_layers)

      call face_exchange(diffusivity, velocity, nbedrock, downward, upward)
      rows%surface_velocity = 0.0_dp
      rows%diagonal = rows%capacity + downward + upward
      rows%lower = 0.0_dp
      rows%lower(2:) = -downward(:n_layers - 1)
      rows%upper = 0.0_dp
      rows%upper(:n_layers - 1) = -upward(2:)
   end subroutine closed_rows

   !> Velocity (m s-1) with which each level gives carbon to the level below and to the level above.
   pure subroutine face_exchange(diffusivity, velocity, nbedrock, downward, upward)
      real(dp), dimension(n_layers + 1), intent(in) :: diffusivity, velocity
      integer, intent(in) :: nbedrock
      real(dp), intent(out) :: downward(n_layers), upward(n_layers)
      real(dp) :: face, mixed
      integer :: j

      downward = 0.0_dp
      upward = 0.0_dp
      do j = 1, nbedrock - 1
         mixed = 0.0_dp
         if (diffusivity(j) > 0.0_dp .and. diffusivity(j + 1) > 0.0_dp) then
            face = 1.0_dp/((1.0_dp - weight_below(j))/diffusivity(j) + weight_below(j)/diffusivity(j + 1)) &
               /node_distance(j + 1)
            mixed = face*patankar(velocity(j + 1)/face)
         end if
         downward(j) = mixed + max(velocity(j + 1), 0.0_dp)
         upward(j + 1) = mixed + max(-velocity(j + 1), 0.0_dp)
      end do
   end subroutine face_exchange

   !> Diffusivity over distance at the face above each level: harmonic mean weighted by distance.
   pure function face_above(here, above, first) result(conductance)
      real(dp), intent(in) :: here(:), above(:)
      integer, intent(in) :: first
      real(dp) :: conductance(size(here))

      associate (w => weight_above(first:first + size(here) - 1), dz => node_distance(first:first + size(here) - 1))
         conductance = 1.0_dp/((1.0_dp - w)/here + w/above)/dz
      end associate
   end function face_above

   !> The same at the face below levels 1 to 20.
   pure function face_below(here, below) result(conductance)
      real(dp), intent(in) :: here(n_layers), below(n_layers)
      real(dp) :: conductance(n_layers)

      conductance = 1.0_dp/((1.0_dp - weight_below)/here + weight_below/below)/node_distance
   end function face_below

   !> Patankar (1980), table 5.2: the power-law scheme.
   elemental function patankar(peclet) result(weight)
      real(dp), intent(in) :: peclet
      real(dp) :: weight

      weight = max(0.0_dp, (1.0_dp - 0.1_dp*abs(peclet))**5)
   end function patankar

   !> Rows of all mobile pools, eliminated; pools of equal acceleration share their rows.
   pure subroutine new_solver(scheme, mixing, nbedrock, acceleration, dt, solver)
      type(ctsm_scheme), intent(in) :: scheme
      type(mixing_profile), intent(in) :: mixing
      integer, intent(in) :: nbedrock
      real(dp), intent(in) :: acceleration(n_pools), dt
      type(transport_solver), intent(out) :: solver
      type(transport_rows) :: rows
      integer :: lane

      associate (factor => acceleration(i_cwd + 1:))
         do lane = 1, n_mobile
            if (lane > 1) then
               if (abs(factor(lane) - factor(lane - 1)) <= 0.0_dp) then
                  call repeat_lane(solver, lane)
                  cycle
               end if
            end if
            call evaluate_rows(scheme, mixing, nbedrock, factor(lane), dt, rows)
            call eliminate(rows, lane, solver)
         end do
      end associate
      solver%capacity = layer_thickness/dt
      solver%dt = dt
   end subroutine new_solver

   pure subroutine repeat_lane(solver, lane)
      type(transport_solver), intent(inout) :: solver
      integer, intent(in) :: lane

      solver%lower(lane, :) = solver%lower(lane - 1, :)
      solver%pivot(lane, :) = solver%pivot(lane - 1, :)
      solver%multiplier(lane, :) = solver%multiplier(lane - 1, :)
      solver%surface_velocity(lane) = solver%surface_velocity(lane - 1)
   end subroutine repeat_lane

   !> Forward elimination. The model adds a level above and one below, equal to their neighbours; here
   !> they are eliminated beforehand.
   pure subroutine eliminate(rows, lane, solver)
      type(transport_rows), intent(in) :: rows
      integer, intent(in) :: lane
      type(transport_solver), intent(inout) :: solver
      real(dp) :: pivot, multiplier
      integer :: j

      pivot = rows%diagonal(1) + rows%lower(1)
      solver%pivot(lane, 1) = pivot
      solver%lower(lane, :) = rows%lower
      do j = 2, n_layers
         multiplier = rows%upper(j - 1)/pivot
         pivot = rows%diagonal(j) - rows%lower(j)*multiplier
         solver%multiplier(lane, j) = multiplier
         solver%pivot(lane, j) = pivot
      end do
      solver%multiplier(lane, n_layers + 1) = rows%upper(n_layers)/pivot
      solver%surface_velocity(lane) = rows%surface_velocity
   end subroutine eliminate

   !> Pools after one step of transport with the change that input and decomposition bring (gC m-3).
   !> Coarse woody debris stays where it is. What leaked below bedrock is still there.
   !>
   !> The model's order of operations, divisions included, gives its bits: where carbon passes through zero,
   !> the rounding of a hundred steps is no longer small beside what is left.
   pure subroutine transport_pools(solver, change, pools)
      type(transport_solver), intent(in) :: solver
      real(dp), intent(in) :: change(n_layers, n_pools)
      real(dp), intent(inout) :: pools(n_layers, n_pools)
      real(dp) :: x(n_mobile, n_layers), bottom(n_mobile)
      integer :: j

      pools(:, i_cwd) = pools(:, i_cwd) + change(:, i_cwd)
      do j = 1, n_layers
         x(:, j) = change(j, i_l1:)*layer_thickness(j)/solver%dt
      end do
      x(:, 1) = (x(:, 1) + (solver%capacity(1) - solver%surface_velocity)*pools(1, i_l1:))/solver%pivot(:, 1)
      do j = 2, n_layers
         x(:, j) = (x(:, j) + solver%capacity(j)*pools(j, i_l1:) - solver%lower(:, j)*x(:, j - 1))/solver%pivot(:, j)
      end do
      associate (last => solver%multiplier(:, n_layers + 1))
         bottom = x(:, n_layers)/(1.0_dp + last)
         x(:, n_layers) = x(:, n_layers) - last*bottom
      end associate
      do j = n_layers - 1, 1, -1
         x(:, j) = x(:, j) - solver%multiplier(:, j + 1)*x(:, j + 1)
      end do
      do j = 1, n_layers
         pools(j, i_l1:) = x(:, j)
      end do
   end subroutine transport_pools

   !> Moves what lies below bedrock into the last level above it, weighted by thickness.
   pure subroutine fold_bedrock(nbedrock, pools)
      integer, intent(in) :: nbedrock
      real(dp), intent(inout) :: pools(n_layers, n_pools)
      integer :: j

      do j = nbedrock + 1, n_layers
         pools(nbedrock, :) = pools(nbedrock, :) + pools(j, :)*(layer_thickness(j)/layer_thickness(nbedrock))
         pools(j, :) = 0.0_dp
      end do
   end subroutine fold_bedrock

   !> One pool's block of tri_ma_vr (1 per step): lower, diagonal, upper entry of each level in turn.
   !> The model builds it from the first pool and repeats it for all six. CTSM 5.4, use_soil_matrixcn.
   pure subroutine matrix_block(rows, nbedrock, dt, block_entries)
      type(transport_rows), intent(in) :: rows
      integer, intent(in) :: nbedrock
      real(dp), intent(in) :: dt
      real(dp), intent(out) :: block_entries(n_block_entries)
      integer :: j

      block_entries = 0.0_dp
      do j = 2, nbedrock
         block_entries(3*j - 4) = rows%lower(j)/layer_thickness(j)*(-dt)
      end do
      do j = 1, nbedrock
         block_entries(3*j - 2) = (rows%diagonal(j) - rows%capacity(j))/layer_thickness(j)*(-dt)
         if (j < n_layers) block_entries(3*j) = rows%upper(j)/layer_thickness(j)*(-dt)
      end do
      if (nbedrock < n_layers - 1) then
         block_entries(3*nbedrock - 2) = block_entries(3*nbedrock - 2) &
            + rows%lower(nbedrock + 1)/layer_thickness(nbedrock)*(-dt)
      end if
   end subroutine matrix_block

end module ctsm_transport
