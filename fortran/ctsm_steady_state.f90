!> Steady state of mean coefficients, and of its transpose, by elimination without subtraction.
!>
!> Carbon moves between the pools of a layer and between neighbouring layers like a Markov chain with exit by
!> respiration. Pools are taken out one by one, from the top down; the flow through one that is taken out is
!> handed to those that remain (Grassmann, Taksar and Heyman 1985), so every pivot is a sum of positive terms.
module ctsm_steady_state
   use kinds, only: dp
   use soil_grid, only: n_layers, n_pools
   use ctsm_cascade, only: n_transitions, donor, receiver
   use ctsm_annual_mean, only: annual_mean
   implicit none (type, external)
   private

   public :: elimination, eliminate, solve_balance, solve_transposed

   !> Pools of a layer and of the next: the only ones that a pool exchanges carbon with once those above are gone.
   integer, parameter :: window = 2*n_pools

   !> What leaves more slowly (s-1) does not leave: its carbon, or the square of it in a derivative, would
   !> exceed the range of numbers.
   real(dp), parameter :: least_outflow = 1.0e-90_dp

   type :: elimination
      integer :: nbedrock
      !> 1 / (all that leaves a pool), s; 0 for a pool that nothing leaves.
      real(dp) :: turnover(n_pools, n_layers)
      !> Flow (s-1) from the pool to the others of the window, and to it from them, when it was taken out.
      real(dp), dimension(window, n_pools, n_layers) :: outflow, inflow
   end type elimination

contains

   pure subroutine eliminate(mean, factors)
      type(annual_mean), intent(in) :: mean
      type(elimination), intent(out) :: factors
      real(dp) :: flow(window, window), exit_rate(window)
      integer :: j, pool

      factors%nbedrock = mean%nbedrock
      factors%turnover = 0.0_dp
      flow = 0.0_dp
      call enter_layer(mean, 1, 0, flow, exit_rate)
      do j = 1, mean%nbedrock
         exit_rate(n_pools + 1:) = 0.0_dp
         if (j < mean%nbedrock) then
            call enter_layer(mean, j + 1, n_pools, flow, exit_rate)
            do pool = 1, n_pools
               flow(pool, n_pools + pool) = mean%downward(j, pool)
               flow(n_pools + pool, pool) = mean%upward(j + 1, pool)
            end do
         end if
         do pool = 1, n_pools
            call take_out(pool, flow, exit_rate, factors%turnover(pool, j))
            factors%outflow(:, pool, j) = flow(pool, :)
            factors%inflow(:, pool, j) = flow(:, pool)
         end do
         call advance_window(flow, exit_rate)
      end do
   end subroutine eliminate

   !> Transitions of layer `j`, its pools standing behind `offset` in the window.
   pure subroutine enter_layer(mean, j, offset, flow, exit_rate)
      type(annual_mean), intent(in) :: mean
      integer, intent(in) :: j, offset
      real(dp), intent(inout) :: flow(window, window), exit_rate(window)
      integer :: k

      exit_rate(offset + 1:offset + n_pools) = 0.0_dp
      do k = 1, n_transitions
         associate (from => offset + donor(k), to => offset + receiver(k), loss => mean%loss(j, k), &
                    respired => mean%respired(j, k))
            exit_rate(from) = exit_rate(from) + respired*loss
            flow(from, to) = flow(from, to) + (1.0_dp - respired)*loss
         end associate
      end do
   end subroutine enter_layer

   !> Hands what flows through one pool to those that remain.
   pure subroutine take_out(pool, flow, exit_rate, turnover)
      integer, intent(in) :: pool
      real(dp), intent(inout) :: flow(window, window), exit_rate(window)
      real(dp), intent(out) :: turnover
      real(dp) :: leaving, share
      integer :: other

      leaving = exit_rate(pool) + sum(flow(pool, pool + 1:))
      turnover = 0.0_dp
      if (leaving > least_outflow) turnover = 1.0_dp/leaving
      do other = pool + 1, window
         if (flow(other, pool) <= 0.0_dp) cycle
         share = flow(other, pool)*turnover
         flow(other, pool + 1:) = flow(other, pool + 1:) + share*flow(pool, pool + 1:)
         flow(other, other) = 0.0_dp
         exit_rate(other) = exit_rate(other) + share*exit_rate(pool)
      end do
   end subroutine take_out

   pure subroutine advance_window(flow, exit_rate)
      real(dp), intent(inout) :: flow(window, window), exit_rate(window)

      flow(:n_pools, :n_pools) = flow(n_pools + 1:, n_pools + 1:)
      exit_rate(:n_pools) = exit_rate(n_pools + 1:)
      flow(n_pools + 1:, :) = 0.0_dp
      flow(:, n_pools + 1:) = 0.0_dp
   end subroutine advance_window

   !> Carbon of each pool and layer (gC m-2) that balances an input (gC m-2 s-1).
   !> `status` is the first layer where carbon arrives that nothing removes, else 0.
   pure subroutine solve_balance(factors, input, carbon, status)
      type(elimination), intent(in) :: factors
      real(dp), intent(in) :: input(n_layers, n_pools)
      real(dp), intent(out) :: carbon(n_layers, n_pools)
      integer, intent(out) :: status

      call sweep(factors, factors%outflow, factors%inflow, input, carbon, status)
   end subroutine solve_balance

   !> The adjoint: what a unit of input into each pool and layer (gC m-2 s-1) adds to a weighted sum of carbon.
   pure subroutine solve_transposed(factors, weight, value)
      type(elimination), intent(in) :: factors
      real(dp), intent(in) :: weight(n_layers, n_pools)
      real(dp), intent(out) :: value(n_layers, n_pools)
      integer :: status

      call sweep(factors, factors%inflow, factors%outflow, weight, value, status)
   end subroutine solve_transposed

   !> Down: the right side follows the flow `onward`. Up: solutions come back by the flow `back`.
   pure subroutine sweep(factors, onward, back, right_side, solution, status)
      type(elimination), intent(in) :: factors
      real(dp), dimension(window, n_pools, n_layers), intent(in) :: onward, back
      real(dp), intent(in) :: right_side(n_layers, n_pools)
      real(dp), intent(out) :: solution(n_layers, n_pools)
      integer, intent(out) :: status
      real(dp) :: carried(n_pools, n_layers + 1), two_layers(window)
      integer :: j, pool

      status = 0
      carried = 0.0_dp
      carried(:, :n_layers) = transpose(right_side)
      do j = 1, factors%nbedrock
         two_layers = [carried(:, j), carried(:, j + 1)]
         do pool = 1, n_pools
            if (factors%turnover(pool, j) <= 0.0_dp .and. abs(two_layers(pool)) > 0.0_dp .and. status == 0) status = j
            two_layers(pool) = two_layers(pool)*factors%turnover(pool, j)
            two_layers(pool + 1:) = two_layers(pool + 1:) + onward(pool + 1:, pool, j)*two_layers(pool)
         end do
         carried(:, j) = two_layers(:n_pools)
         carried(:, j + 1) = two_layers(n_pools + 1:)
      end do
      carried(:, factors%nbedrock + 1:) = 0.0_dp
      do j = factors%nbedrock, 1, -1
         two_layers = [carried(:, j), carried(:, j + 1)]
         do pool = n_pools, 1, -1
            two_layers(pool) = two_layers(pool) &
               + factors%turnover(pool, j)*sum(back(pool + 1:, pool, j)*two_layers(pool + 1:))
         end do
         carried(:, j) = two_layers(:n_pools)
      end do
      solution = transpose(carried(:, :n_layers))
   end subroutine sweep

end module ctsm_steady_state
